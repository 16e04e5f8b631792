"""Texts that the user has: tables of their own, and the text files of the released EZ-HOI code."""
