"""What each piece of the skeleton around a request costs, and the shapes it is made of."""
