"""The networks that see a picture of the posed body: StyleUNets, and what they are made of."""
