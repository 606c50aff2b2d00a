# syntax=docker/dockerfile:1

FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/streamhouse ./cmd/streamhouse

# An S3-compatible store for compose.yaml; its buckets are folders under /objects.
FROM golang:1.26-alpine AS s3
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
VOLUME /objects
EXPOSE 7070
ENTRYPOINT ["/bin/sh", "-c", "mkdir -p /objects/streamhouse && exec versitygw --port :7070 --region us-east-1 posix /objects"]

FROM alpine:3.22 AS streamhouse
RUN adduser -D -u 10001 streamhouse && mkdir /data && chown streamhouse /data
COPY --from=build /out/streamhouse /usr/local/bin/streamhouse
USER streamhouse
WORKDIR /
ENV STREAMHOUSE_DATA_DIR=/data STREAMHOUSE_HTTP_LISTEN=:8080 STREAMHOUSE_SCHEMA_REGISTRY_LISTEN=:8081 STREAMHOUSE_SQL_LISTEN=:5433
VOLUME /data
EXPOSE 9092 8080 8081 5433
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD wget -q -O /dev/null http://127.0.0.1:8080/health/ready
STOPSIGNAL SIGTERM
ENTRYPOINT ["streamhouse"]
CMD ["server"]
