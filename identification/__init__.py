"""The Lambdas: find scan targets, describe and judge their security groups, filter Inspector findings."""

from identification.cold_start import begin

begin()  # before anything else is imported
