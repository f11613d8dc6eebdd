# The command line and the jobs of the host, of what requirements/host.lock pins: `docker build --tag hammer .`
# docs/install.md says how it is used.
#
# A tag, however exact, can be moved. `docker buildx imagetools inspect python:3.13.9-slim-trixie` prints the digest that
# it has today: write it behind the tag, in both stages (`python:3.13.9-slim-trixie@sha256:...`).
FROM python:3.13.9-slim-trixie AS build

WORKDIR /build
COPY requirements/build.lock requirements/host.lock requirements/
# Everything is a wheel: nothing of a dependency runs here. The environment has no pip of its own.
RUN python -m venv --without-pip /opt/hammer \
    && python -m pip --python /opt/hammer/bin/python --disable-pip-version-check install --no-cache-dir \
        --only-binary :all: --require-hashes --requirement requirements/host.lock \
    && python -m pip --disable-pip-version-check install --no-cache-dir --root-user-action ignore \
        --only-binary :all: --require-hashes --requirement requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY packaging/project_urls.py packaging/
COPY hammer hammer/
COPY identification identification/
COPY library library/
COPY remediation remediation/
COPY reporting reporting/
RUN python -m hatchling build --target wheel \
    && python -m pip --python /opt/hammer/bin/python --disable-pip-version-check install --no-cache-dir --no-index \
        --no-deps dist/*.whl

FROM python:3.13.9-slim-trixie

# The release adds the version, the commit and the repository.
LABEL org.opencontainers.image.title="Hammer" \
      org.opencontainers.image.description="Finds security groups that expose restricted ports to the Internet, reports them and closes them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13.9-slim-trixie"

RUN groupadd --gid 10001 hammer \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin hammer
COPY --from=build /opt/hammer /opt/hammer
ENV PATH="/opt/hammer/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /home/hammer
# By its number, so that Kubernetes' `runAsNonRoot` can tell.
USER 10001:10001
# A command, not a service.
HEALTHCHECK NONE
ENTRYPOINT ["hammer"]
CMD ["--help"]
