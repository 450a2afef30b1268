"""What an operator does over HTTP: asks for jobs, looks at them and steers them. Here none is run."""
