"""What comes from outside, parsed once: files that people write, columns of foreign tables, texts for pages."""
