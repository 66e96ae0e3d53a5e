"""The services of cagnotte and the library that they share."""
