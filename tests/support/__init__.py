"""What several tests share: scripted peers, real processes, the search for outside tools."""
