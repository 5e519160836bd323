# Two stages: the first has pip and is discarded, the second is what runs.

FROM python:3.11-slim-bookworm AS builder

RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app

# Dependencies change less often than the code, so they have a layer of their own. Wheels only, so that no compiler is
# needed, and no pip afterwards. Behind a company proxy, pass pip its settings as secrets, which stay out of every layer:
#   docker build --secret id=pip_conf,src=pip.conf --secret id=ca_bundle,src=ca.crt .
COPY requirements.txt ./
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt \
    && pip uninstall --quiet --yes setuptools pip

# .dockerignore lists what is copied.
COPY . ./
RUN python manage.py collectstatic --noinput \
    && python -m compileall -q core accounts attempts peerprep_users


FROM python:3.11-slim-bookworm

# A fixed id, which volumes and a cluster's "must not run as root" rule can rely on.
RUN groupadd --gid 10001 app \
    && useradd --no-log-init --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app

# Code, dependencies and static files belong to root, so the server process cannot change them.
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app /app
WORKDIR /app

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8001
USER 10001:10001
EXPOSE 8001
STOPSIGNAL SIGTERM

# http.client, since urllib would use HTTP_PROXY.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

CMD ["gunicorn", "-c", "deploy/gunicorn.conf.py", "peerprep_users.wsgi"]
