"""What has to hold in every environment of the project's own, with the team's own resources."""
