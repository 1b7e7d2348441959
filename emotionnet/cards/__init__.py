"""Model cards, of a run and of a bundle: for people, and for the Hugging Face Hub."""
