"""What `paceline show` prints and draws: tables of a model or a split, and one picture of both."""
