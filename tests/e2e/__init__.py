"""Real deploys: the cdktf CLI, Terraform and the AWS provider, against the embedded AWS."""
