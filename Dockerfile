# syntax=docker/dockerfile:1
# One image for every tier and command, on linux/amd64 and linux/arm64; see deploy/README.md.
# Both stages are of one Debian release: the program is linked to that release's libvips.
ARG DEBIAN=trixie
ARG GO=1.26

FROM golang:${GO}-${DEBIAN} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends pkg-config libvips-dev libjpeg-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w -X github.com/tintype/tintype/internal/app.version=${VERSION}" -o /out/tintype ./cmd/tintype

FROM debian:${DEBIAN}-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libvips42t64 libjpeg62-turbo \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /out/tintype /usr/local/bin/tintype
# A number, so that whoever runs it can tell that it is not root without asking the image.
USER 65532:65532
# Uploads that pass through a web tier are spooled here. Declared so that a volume of ECS has
# its permissions too.
VOLUME ["/tmp"]
WORKDIR /tmp
ENV TINTYPE_WEB_ADDR=0.0.0.0:8007 \
    TINTYPE_APP_ADDR=0.0.0.0:8010 \
    TINTYPE_DATA=/data
EXPOSE 8007 8010
STOPSIGNAL SIGTERM
# Of the app tier, the default command; a web tier answers on 8007.
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/tintype", "healthcheck", "http://127.0.0.1:8010/healthz"]
ENTRYPOINT ["/usr/local/bin/tintype"]
CMD ["app"]
