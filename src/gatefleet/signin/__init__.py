"""The sign-in process of a node: asks identity providers and directories what a request has to wait for anyway."""
