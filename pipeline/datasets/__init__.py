"""Files of the world outside: data sets, their classes and their images."""
