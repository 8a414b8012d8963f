"""What ``paceline bench`` measures: one hop over each link, and deployed pipelines under load."""
