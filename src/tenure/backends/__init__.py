"""Services that already agree with themselves: who is elected is their word. `base` is what each of them offers."""
