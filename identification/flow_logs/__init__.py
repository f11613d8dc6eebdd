"""Use: what VPC flow logs show of the interfaces behind open issues."""
