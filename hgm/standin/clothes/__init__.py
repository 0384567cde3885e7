"""What a stand-in wears: garments, hair and the choice of them."""
