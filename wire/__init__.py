"""What the rooms say to each other: topics, messages, frames, flow, links."""
