from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from bench.stock import views

urlpatterns = [
    path("healthz", views.healthz),
    path("auth/login", TokenObtainPairView.as_view()),
    path("auth/refresh", TokenRefreshView.as_view()),
    path("users/me", views.Me.as_view()),
    path("users/is-admin", views.is_admin),
    path("api/v1/attempts/", views.NewAttempt.as_view()),
    path("api/v1/attempts/me", views.Attempts.as_view()),
    path("api/v1/attempts/me/summary", views.summary),
    path("api/v1/attempts/<uuid:pk>", views.AttemptDetail.as_view()),
]
