from django.db.models import Count, F, Max, Q
from django.http import JsonResponse
from rest_framework import generics
from rest_framework.decorators import api_view
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.response import Response

from bench.stock.serializers import (
    AttemptDetailSerializer,
    AttemptSerializer,
    NewAttemptSerializer,
    UserSerializer,
)


def healthz(request):
    return JsonResponse({"ok": True})


class Me(generics.RetrieveAPIView):
    serializer_class = UserSerializer

    def get_object(self):
        return self.request.user


@api_view()
def is_admin(request):
    return Response({"is_admin": request.user.role == "ADMIN"})


class BareList(LimitOffsetPagination):
    """An array, with the total in a header."""

    default_limit = 50
    max_limit = 200

    def get_paginated_response(self, data):
        return Response(data, headers={"X-Total-Count": self.count})


class OwnAttempts:
    def get_queryset(self):
        return self.request.user.attempts.all()


class Attempts(OwnAttempts, generics.ListAPIView):
    serializer_class = AttemptSerializer
    pagination_class = BareList


class NewAttempt(generics.CreateAPIView):
    serializer_class = NewAttemptSerializer

    def perform_create(self, serializer):
        serializer.save(user=self.request.user)


class AttemptDetail(OwnAttempts, generics.RetrieveAPIView):
    serializer_class = AttemptDetailSerializer


@api_view()
def summary(request):
    solving = Q(total_tests__gt=0, passed_tests=F("total_tests"))
    totals = request.user.attempts.aggregate(
        total_attempts=Count("id"),
        solved=Count("question_id", filter=solving, distinct=True),
        last_attempt_at=Max("created_at"),
    )
    return Response(totals)
