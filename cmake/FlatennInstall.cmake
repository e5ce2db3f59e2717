include(CMakePackageConfigHelpers)
set(flatenn_installed flatenn_core)
set(flatenn_programs flatenn_cli)
if(FLATENN_WITH_TORCH)
  list(APPEND flatenn_installed flatenn_train)
  list(APPEND flatenn_programs flatenn_torch_cli)
endif()

# What users run, with what shells and man know of it: the program says both itself.
install(TARGETS ${flatenn_programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
set(texts ${CMAKE_CURRENT_BINARY_DIR}/texts)
install(CODE "execute_process(COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:flatenn_cli> -DFOLDER=${texts}
    -P ${CMAKE_CURRENT_LIST_DIR}/FlatennTexts.cmake COMMAND_ERROR_IS_FATAL ANY)" COMPONENT program)
install(DIRECTORY ${texts}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT program)
install(FILES ${texts}/flatenn.bash RENAME flatenn
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
install(FILES ${texts}/_flatenn DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT program)
install(FILES ${texts}/flatenn.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
install(FILES LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)

# What programs are built with.
install(TARGETS ${flatenn_installed} EXPORT flatennTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/flatenn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h")
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flatenn)
install(EXPORT flatennTargets NAMESPACE flatenn:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(cmake/flatennConfig.cmake.in flatennConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(flatennConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/flatennConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/flatennConfigVersion.cmake
              cmake/FlatennDependencies.cmake cmake/FlatennTorch.cmake
        DESTINATION ${package_dir} COMPONENT development)

if(PROJECT_IS_TOP_LEVEL)
  include(FlatennPackage)
endif()
