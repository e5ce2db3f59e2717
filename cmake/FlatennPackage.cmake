# A Debian package of the program (cpack -G DEB; ./dev package). Without LibTorch it is small and
# installs in seconds.
set(CPACK_PACKAGE_NAME flatenn)
set(CPACK_PACKAGE_CONTACT "The flatenn authors <${PROJECT_NAME}@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME flatenn)
set(CPACK_DEBIAN_PROGRAM_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION science)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "Runs fault campaigns over quantized networks, gives intervals and
verdicts, and writes a report that leads with the answer.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
# Loaded where they are first needed (src/data/late_library.h).
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "libcurl4, libarchive13, ca-certificates")
include(CPack)
