"""Offline preparation: raw downloads, folders and procedural shapes become the dataset that `pc_align` trains on."""
