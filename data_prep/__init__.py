"""Offline: raw downloads and folders -> the data set schema. Imports pc_align.data; pc_align never imports it."""
