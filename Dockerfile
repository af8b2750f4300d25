# The service or a worker on the CPU:
#   docker build -t sensevoice . && docker run -p 8000:8000 -v models:/models sensevoice
# Models are kept in /models; without one the demonstration model answers.
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-slim
ENV NODE_ENV=production SENSEVOICE_HOME=/models SENSEVOICE_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/weights/tiny weights/tiny
RUN ln -s /app/dist/cli/main.js /usr/local/bin/sensevoice && chmod +x dist/cli/main.js && mkdir /models && chown node /models
USER node
VOLUME /models
EXPOSE 8000
HEALTHCHECK CMD ["node", "-e", "fetch('http://127.0.0.1:8000/healthz').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["sensevoice"]
CMD ["serve"]
