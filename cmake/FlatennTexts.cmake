# cmake -DPROGRAM=flatenn -DFOLDER=DIR -P FlatennTexts.cmake: manual pages and completion scripts.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${PROGRAM} man ${FOLDER}/man1 OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
foreach(shell bash:flatenn.bash zsh:_flatenn fish:flatenn.fish)
  string(REPLACE ":" ";" words ${shell})
  list(GET words 0 name)
  list(GET words 1 file)
  execute_process(COMMAND ${PROGRAM} completion ${name}
    OUTPUT_FILE ${FOLDER}/${file} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
