"""What comes from outside is parsed here once: files that people write, columns of foreign tables, texts for pages."""
