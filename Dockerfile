# One image for web, worker and one-off commands; compose.yaml says which it runs.
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /opt/dutybell \
    && /opt/dutybell/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY scripts/translations.py scripts/translations.py
COPY babel.cfg .
COPY translations translations
RUN /opt/dutybell/bin/python scripts/translations.py compile

FROM python:${PYTHON}
# pg_dump, pg_restore and psql for `flask backup` and `flask restore`: Debian's are of PostgreSQL 17, as in compose.yaml.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home dutybell
WORKDIR /app
COPY --from=build /opt/dutybell /opt/dutybell
COPY . .
COPY --from=build /build/translations translations
ENV PATH=/opt/dutybell/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLASK_APP=app \
    DUTYBELL_HOME=/data \
    LOG_FORMAT=json \
    PORT=8000
USER 10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "scripts/probe.py", "http://127.0.0.1:8000/healthz"]
CMD ["gunicorn", "app:create_app()"]
