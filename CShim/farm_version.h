/* farm_version.h - what this build is. */
#ifndef FARM_VERSION_H
#define FARM_VERSION_H

#ifdef FARM_OTHER_VERSION
/* Of a module that tests put in the place of this one. */
#define FARM_VERSION "0.0.9"
#else
#define FARM_VERSION "0.1.0"
#endif
#endif
