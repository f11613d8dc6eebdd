"""The Lambdas: find scan targets, describe and judge their security groups, filter Inspector findings."""
