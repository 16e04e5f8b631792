"""Datasets: their files, their classes and their images."""
