"""The service's tables as Django's tutorials would map them."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class User(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    password = models.CharField(max_length=255, db_column="password_hash")
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=5, default="USER")
    is_active = models.BooleanField(default=True)
    last_login = None

    USERNAME_FIELD = "email"

    objects = BaseUserManager()

    class Meta:
        managed = False
        db_table = "users"


class Attempt(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="attempts")
    question_id = models.PositiveIntegerField()
    language = models.CharField(max_length=64)
    submitted_code = models.TextField()
    passed_tests = models.PositiveSmallIntegerField()
    total_tests = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        managed = False
        db_table = "attempts"
        ordering = ["-created_at"]

    @property
    def is_solved(self):
        return 0 < self.total_tests == self.passed_tests
