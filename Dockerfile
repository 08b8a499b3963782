# kvs in an image of one file. The context is a folder with nothing in it but the static binary and this file:
#
#   make build && mkdir -p out/image && cp bin/kvs Dockerfile out/image && docker build -t kvs out/image
#   docker run -v kvs-data:/data -v $PWD/node1.yaml:/etc/kvs/node.yaml:ro -p 127.0.0.1:7001:7001 kvs
#
# In the configuration: listen: 0.0.0.0:7001, advertise: the container's address, data_dir: /data, and what proves the node to the others: tls
# with the files that kvs init --secure makes, or insecure: true in a network that is closed to all others. See docs/security.md.
FROM scratch
COPY kvs /kvs
ENV HOME=/home
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["/kvs"]
CMD ["/etc/kvs/node.yaml"]
