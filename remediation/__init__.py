"""Close the ingress rules of due issues, and restore a group from its backup."""
