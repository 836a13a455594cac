# An image with reconciler alone, from this checkout: docker build --tag reconciler .
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml requirements.txt README.md LICENSE ./
COPY schemas ./schemas
COPY script ./script
COPY reconciler ./reconciler
RUN script/install /opt/reconciler

FROM python:3.13-slim
# git tells of a plan which commit its files are of, and whether all of them are here.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH
RUN useradd --create-home reconciler
USER reconciler
WORKDIR /work
# The exec form: signals reach reconciler itself.
ENTRYPOINT ["reconciler"]
