"""What bench/run is made of: inputs, processes, load, one file a group of rows, the table."""
