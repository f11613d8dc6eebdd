"""What every command and job needs: options, exit codes, logs."""
