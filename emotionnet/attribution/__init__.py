"""What an answer is made of: integrated gradients over faces, sound features and landmarks."""
