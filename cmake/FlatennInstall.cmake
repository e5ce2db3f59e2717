include(CMakePackageConfigHelpers)
set(flatenn_installed flatenn_core)
if(FLATENN_WITH_TORCH)
  list(APPEND flatenn_installed flatenn_train)
endif()
install(TARGETS ${flatenn_installed} EXPORT flatennTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS flatenn_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/flatenn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flatenn)
install(EXPORT flatennTargets NAMESPACE flatenn:: DESTINATION ${package_dir})
configure_package_config_file(cmake/flatennConfig.cmake.in flatennConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(flatennConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/flatennConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/flatennConfigVersion.cmake
              cmake/FlatennDependencies.cmake cmake/FlatennTorch.cmake
        DESTINATION ${package_dir})
