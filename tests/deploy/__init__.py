"""What `deploy/` describes, held against the schemas, the command line and the program itself."""
