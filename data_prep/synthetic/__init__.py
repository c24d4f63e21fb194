"""Procedural shapes with truthful captions: the data source that needs no download."""
