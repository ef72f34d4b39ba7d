/* Print the nodes with the fastest memory, as node masks of numactl want them: fastnodes [ROOT] */
#include <stdio.h>

#define NODES 1024

static long bandwidth(const char *root, int node)
{
	char path[512];
	long found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/sys/devices/system/node/node%d/access0/initiators/read_bandwidth", root, node);
	file = fopen(path, "r");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &found) != 1)
		found = -1;
	fclose(file);
	return found;
}

int main(int argc, char **argv)
{
	const char *root = argc > 1 ? argv[1] : "", *comma = "";
	long best = 0, found[NODES];
	int node;

	for (node = 0; node < NODES; node++) {
		found[node] = bandwidth(root, node);
		if (found[node] > best)
			best = found[node];
	}
	if (!best) {
		fprintf(stderr, "fastnodes: the kernel tells no bandwidths\n");
		return 1;
	}
	for (node = 0; node < NODES; node++)
		if (found[node] == best) {
			printf("%s%d", comma, node);
			comma = ",";
		}
	putchar('\n');
	return 0;
}
