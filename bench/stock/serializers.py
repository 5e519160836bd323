from rest_framework import serializers

from bench.stock.models import Attempt, User


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "email", "name", "role"]


class AttemptSerializer(serializers.ModelSerializer):
    is_solved = serializers.BooleanField(read_only=True)

    class Meta:
        model = Attempt
        fields = ["id", "question_id", "language", "passed_tests", "total_tests", "created_at", "is_solved"]


class NewAttemptSerializer(AttemptSerializer):
    submitted_code = serializers.CharField(write_only=True, max_length=65536)

    class Meta(AttemptSerializer.Meta):
        fields = [*AttemptSerializer.Meta.fields, "submitted_code"]

    def validate(self, attrs):
        if attrs["passed_tests"] > attrs["total_tests"]:
            raise serializers.ValidationError({"passed_tests": "More than all tests cannot pass."})
        return attrs


class AttemptDetailSerializer(serializers.ModelSerializer):
    class Meta:
        model = Attempt
        fields = ["id", "question_id", "language", "submitted_code", "passed_tests", "total_tests", "created_at"]
