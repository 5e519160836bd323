from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2id(Argon2PasswordHasher):
    """With the service's parameters, since both read the same hashes."""

    time_cost = 3
    memory_cost = 65536
    parallelism = 4
