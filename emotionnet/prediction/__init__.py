"""What a run answers about recordings: which they are, their answers, and the files these go to."""
