@echo off
rem Starts the KVP4J command line from its zip. KVP_JAVA_HOME or JAVA_HOME name a JDK 25 or newer,
rem KVP_JAVA_OPTS more options for the JVM, such as -Xmx8g.
setlocal
set "JAVA=java"
if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java"
if defined KVP_JAVA_HOME set "JAVA=%KVP_JAVA_HOME%\bin\java"
"%JAVA%" --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED --add-exports java.base/sun.nio.ch=ALL-UNNAMED -XX:+UseParallelGC %KVP_JAVA_OPTS% -jar "%~dp0..\lib\kvp.jar" %*
exit /b %ERRORLEVEL%
