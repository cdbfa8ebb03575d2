; Installs Culvert for all users below Program Files, where nobody but the machine may change it, and takes it away again.
Target amd64-unicode
Name "Culvert ${VERSION}"
OutFile "${OUT}"
InstallDir "$PROGRAMFILES64\Culvert"
RequestExecutionLevel admin
SetCompressor /SOLID zlib
ShowInstDetails show

!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Culvert"

Page directory
Page components
Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

Section "Culvert"
  SectionIn RO
  SetRegView 64
  SetOutPath "$INSTDIR"
  File /r "${HOME}/*"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "${KEY}" "DisplayName" "Culvert"
  WriteRegStr HKLM "${KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${KEY}" "Publisher" "The Culvert authors"
  WriteRegStr HKLM "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegDWORD HKLM "${KEY}" "NoModify" 1
SectionEnd

; Not chosen unless somebody does: it runs the engine as the system from now on.
Section /o "Start the engine at boot" service
  nsExec::ExecToLog '"$INSTDIR\culvert.cmd" service install'
SectionEnd

Section "Uninstall"
  SetRegView 64
  ; Ends the engine, and puts back what it changed of the machine. Identities and the record stay.
  nsExec::ExecToLog '"$INSTDIR\culvert.cmd" service uninstall'
  RMDir /r "$INSTDIR\dist"
  RMDir /r "$INSTDIR\node"
  RMDir /r "$INSTDIR\node_modules"
  RMDir /r "$INSTDIR\resources"
  Delete "$INSTDIR\culvert.cmd"
  Delete "$INSTDIR\package.json"
  Delete "$INSTDIR\README.md"
  Delete "$INSTDIR\CHANGELOG.md"
  Delete "$INSTDIR\LICENSE"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${KEY}"
SectionEnd
