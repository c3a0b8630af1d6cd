"""What a phone's errors mean, as data and in words."""
