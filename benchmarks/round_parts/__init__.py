"""What designs of rounds are made of: views, heads of one view, and several views together."""
