"""What the chaos test is made of: a world to disturb, clients, a model, and the verdict on them."""
