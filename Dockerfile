# recae serve in a container: the model is /models/m.recae, on a volume. See docs/serving.md.
FROM python:3.12-slim

# Set it to the index of PyTorch's wheels for CPUs, which spares some gigabytes of CUDA.
ARG PIP_EXTRA_INDEX_URL=""

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY recae recae
RUN pip install --no-cache-dir -c constraints.txt ".[serve]"

WORKDIR /models
ENV NUMBA_CACHE_DIR=/tmp/numba
USER nobody
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8000/health', timeout=5)"]
CMD ["recae", "serve", "/models/m.recae", "--host", "0.0.0.0", "--port", "8000"]
