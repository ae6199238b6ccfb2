/* farm_version.h - what this build is. */
#ifndef FARM_VERSION_H
#define FARM_VERSION_H

#define FARM_VERSION "0.1.0"
/* Given by the Makefile: the revision it was built from. */
#ifndef FARM_BUILT
#define FARM_BUILT "unknown"
#endif

#endif
